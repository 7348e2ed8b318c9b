"""Why a run failed, in one line for a person."""

from collections.abc import Callable

import dagster as dg

from crypto_features.errors import InputError
from crypto_features.graph.materialize import cause
from crypto_features.host.process import TAG, this_process


def why(make: Callable[[], None], *, passed: bool = True) -> str:
    """The cause of the failure of a run of `candles`, what its check finds, and `daily_candles` after it."""

    @dg.asset
    def candles() -> None:
        make()

    @dg.asset_check(asset=candles, blocking=True)
    def contract() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, description="3 of 9 break it. What to do: restore the partition.")

    @dg.asset(deps=[candles])
    def daily_candles() -> None:
        make()

    definitions = dg.Definitions(assets=[candles, daily_candles], asset_checks=[contract])
    job = definitions.resolve_implicit_global_asset_job_def()
    return cause(job.execute_in_process(raise_on_error=False).all_events)


def test_a_blocking_check_says_what_it_found_and_what_to_do() -> None:
    found = why(lambda: None, passed=False)
    assert found == "candles: contract: 3 of 9 break it. What to do: restore the partition."


def test_our_own_errors_stand_without_the_name_of_their_class() -> None:
    def refuse() -> None:
        raise InputError("no candles in /candles; give a folder.")

    assert why(refuse) == "candles: no candles in /candles; give a folder."


def test_an_error_of_another_library_keeps_its_class_and_hides_no_cause() -> None:
    def fail() -> None:
        raise RuntimeError("later") from ConnectionError("the exchange is away")

    assert why(fail) == "candles: ConnectionError: the exchange is away"


def test_a_run_that_a_command_executes_says_whose_it_is() -> None:
    from crypto_features.graph.materialize import command_tags

    tags = command_tags("2024-01", "2024-02")
    assert tags[TAG] == this_process()
    assert tags["command"] == "crypto-features run"
    assert command_tags("2024-01", "2024-02", "plan --run")["command"] == "crypto-features plan --run"
