"""Registry and online store: reachable, whole, in agreement with the code, and with rows."""

from collections.abc import Iterator

from crypto_features.errors import CryptoFeaturesError
from crypto_features.graph.checks.serving import registered
from crypto_features.health.finding import Finding, ok, warn, wrong
from crypto_features.lake.table import stored
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, session
from crypto_features.store.errors import NotAppliedError
from crypto_features.store.reach import reaching
from crypto_features.store.tables import require_own_tables
from crypto_features.tables.catalog import Catalog

RUN = "crypto-features run"


def store(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """What is wrong with the registry and the online store; nothing is made where there is none."""
    online = _online(settings)
    yield online
    built = [name for name in catalog.groups if stored(settings.root, catalog, name).months()]
    try:
        found = list(_registry(catalog))
    except NotAppliedError as error:
        yield wrong("registry", str(error)) if built else warn("registry", f"nothing is registered yet: {error}")
        return
    except CryptoFeaturesError as error:
        yield wrong("registry", str(error))
        return
    yield from found
    if online.todo:
        return
    try:
        yield from _rows(catalog, built)
    except CryptoFeaturesError as error:
        yield wrong("online rows", str(error))


@reaching
def _online(settings: Settings) -> Finding:
    """Whether the online store answers, also where no registry says what is in it."""
    from crypto_features.store.online.connect import connect

    try:
        backend = connect("")
        backend.switches()
        backend.has("")
    except ImportError as error:
        return wrong("online store", f"{settings.store} needs another package: {error}.", "see the extra above")
    except CryptoFeaturesError as error:
        return wrong("online store", str(error), "start the server, or correct its address")
    name = backend.name
    backend.close()
    return ok("online store", f"{name} answers")


@reaching
def _registry(catalog: Catalog) -> Iterator[Finding]:
    session.applied_store()
    views = FeastResource().views()
    if not views:
        raise NotAppliedError(f"the registry at {session.registry_place()} is empty. {session.APPLY}")
    agrees = registered({name: [*view.columns] for name, view in catalog.views.items()}, views)
    if agrees.passed:
        require_own_tables([*catalog.groups])
        return iter([ok("registry", f"{session.registry_place()}: {agrees.text}")])
    return iter([wrong("registry", agrees.text, RUN)])


@reaching
def _rows(catalog: Catalog, built: list[str]) -> list[Finding]:
    feast = FeastResource()
    found = [wrong("online rows", text) for text in feast.damage()]
    there = {view for view in feast.views() if view in catalog.groups}
    if not found:
        rows = {view: feast.online_rows(view).height for view in catalog.groups if view in there}
        empty = [view for view in built if rows.get(view) == 0]
        if empty:
            found.append(wrong("online rows", f"{', '.join(empty)}: nothing was published.", RUN))
        else:
            found.append(ok("online rows", f"{sum(rows.values()):,} rows of {len(rows)} views, each as it was written"))
    for name, why in feast.disabled().items():
        found.append(warn("switches", f"{name} is switched off: {why}.", f"crypto-features enable {name}"))
    return found
