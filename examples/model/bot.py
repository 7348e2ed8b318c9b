"""A bot that asks the model of a folder: `python bot.py MODEL BTC ETH` prints what it would do; it places no order.

`python bot.py MODEL --train` fits the model first and registers it there with its passport.
"""

import sys
from pathlib import Path

from my_forecast.kept import forecasts, train

from crypto_features.errors import CryptoFeaturesError

if __name__ == "__main__":
    folder, symbols = Path(sys.argv[1]), sys.argv[2:]
    try:
        if symbols == ["--train"]:
            print(f"{train(folder)} rows, registered in {folder}")
        else:
            for symbol, expected in forecasts(folder, symbols).items():
                print(f"{symbol}: {'wait' if expected is None else f'expects {expected:+.2%}'}")
    except CryptoFeaturesError as error:
        sys.exit(f"wait: {error}")
