"""The house: imports run one way, rules are pure, nothing happens at import."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("quarry", "producer", "worker")

#: From the bottom up. A module imports what is below it, or beside it in the same line where that makes no circle.
#: A package name stands for everything in it that no other line names.
LAYERS = (
    ("quarry", "quarry.masking", "quarry.clock", "quarry.backoff", "quarry.deadline", "quarry.batching", "quarry.invocation"),
    ("quarry.ids", "quarry.attempts", "quarry.notification", "quarry.job", "quarry.keys.key"),
    ("quarry.errors",),
    ("quarry.envelope", "quarry.settings", "quarry.toml_file", "quarry.sentences"),
    ("quarry.webhooks",),
    ("quarry.explanation", "quarry.capacity"),
    ("quarry.access",),
    ("quarry.tenants", "quarry.guard"),
    ("quarry.aws", "quarry.aws_shortway", "quarry.telemetry", "quarry.eventloop"),
    ("quarry.queue", "quarry.store", "quarry.keys"),
    ("quarry.erasure",),
    ("quarry.inference", "quarry.opening", "quarry.followed_file", "quarry.tenants.reload"),
    ("quarry.provision", "quarry.deadletters", "quarry.erasure.many", "quarry.testing", "quarry.simulator", "quarry.client"),
    ("quarry.runs",),
    ("quarry.local",),
    ("quarry.cli", "quarry.__main__"),
    ("producer", "worker"),
)

#: What decides: it never awaits, logs, or reads clock, environment or randomness.
PURE = (
    "quarry.job.events",
    "quarry.job.record",
    "quarry.job.transitions",
    "quarry.attempts",
    "quarry.notification",
    "quarry.invocation",
    "quarry.dialects",
    "quarry.envelope",
    "quarry.errors.client",
    "quarry.errors.delivery",
    "quarry.errors.invocation",
    "quarry.errors.root",
    "quarry.errors.submission",
    "quarry.errors.transport",
    "quarry.backoff",
    "quarry.deadline",
    "quarry.masking",
    "quarry.sentences",
    "quarry.explanation",
    "quarry.capacity.bill",
    "quarry.capacity.plan",
    "quarry.capacity.prices",
    "quarry.cli.story",
    "quarry.guard.measures",
    "quarry.guard.narrowing",
    "quarry.guard.normal",
    "quarry.guard.patterns",
    "quarry.guard.texts",
    "quarry.tenants.guard",
    "quarry.tenants.keeping",
    "quarry.tenants.limits",
    "quarry.tenants.policy",
    "quarry.tenants.webhooks",
    "quarry.webhooks.addresses",
    "quarry.webhooks.event",
    "quarry.webhooks.reminder",
    "quarry.tenants.privacy",
    "quarry.erasure.tombstone",
    "quarry.erasure.expressions",
    "quarry.store.expressions",
    "quarry.store.item",
    "quarry.store.json_forms",
    "quarry.store.refusals",
    "quarry.store.worker_rows",
    "quarry.keys.key",
    "quarry.keys.expressions",
    "quarry.deadletters.fates",
    "quarry.deadletters.selection",
    "quarry.runs.following",
    "quarry.runs.patience",
    "quarry.runs.tally",
    "quarry.inference.breaker",
    "quarry.inference.candidates",
    "quarry.inference.fallback",
    "quarry.inference.limiter",
    "quarry.inference.model_ids",
    "quarry.inference.pace",
    "quarry.inference.patience",
    "quarry.inference.reservation",
    "quarry.inference.verdicts",
    "quarry.simulator.budgets",
    "quarry.simulator.quotas",
    "worker.outcome",
    "worker.shares",
    "worker.hand",
    "worker.guarding",
    "producer.problems",
    "producer.auth.rules",
    "producer.quotas",
    "producer.shares",
)
IMPURE_IMPORTS = {"asyncio", "time", "os", "random", "secrets", "logging", "structlog", "socket", "boto3", "aiobotocore"}


@cache
def graph() -> grimp.ImportGraph:
    """The imports of this checkout, those inside functions included."""
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def ours() -> list[str]:
    return sorted(name for name in graph().modules if name.split(".")[0] in PACKAGES)


def layer_of(module: str) -> int:
    """The layer whose longest name is a prefix of `module`."""
    rows = [(len(name), i) for i, row in enumerate(LAYERS) for name in row if module == name or module.startswith(f"{name}.")]
    return max(rows)[1]


def test_imports_run_one_way() -> None:
    """No module imports from a layer above its own."""
    upward = [
        f"{importer} → {imported}"
        for importer in ours()
        for imported in sorted(graph().find_modules_directly_imported_by(importer))
        if imported.split(".")[0] in PACKAGES and layer_of(imported) > layer_of(importer)
    ]
    assert upward == []


def test_the_services_do_not_know_each_other() -> None:
    """`producer → quarry ← worker`, never sideways."""
    sideways = [
        f"{importer} → {imported}"
        for importer in ours()
        for imported in graph().find_modules_directly_imported_by(importer)
        if {importer.split(".")[0], imported.split(".")[0]} == {"producer", "worker"}
    ]
    assert sideways == []


def test_there_is_no_circle() -> None:
    """No module reaches itself through its imports."""
    circles = []
    for module in ours():
        for imported in graph().find_modules_directly_imported_by(module):
            if imported in ours() and (way := graph().find_shortest_chain(imported, module)):
                circles.append(" → ".join((module, *way)))
    assert circles == []


@pytest.mark.parametrize("module", PURE)
def test_what_decides_is_pure(module: str) -> None:
    """A rule takes `now`; it does not await, log, or read clock, environment or randomness."""
    imported = {name.split(".")[0] for name in graph().find_modules_directly_imported_by(module)}
    assert imported & IMPURE_IMPORTS == set()
    tree = ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text())
    awaiting = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
    reading = [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}
    ]
    assert (awaiting, reading) == ([], [])


def test_only_the_settings_read_the_environment() -> None:
    """`quarry/settings/environment.py` is the only reader of the environment."""
    readers = []
    for path in sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                readers.append(str(path.relative_to(ROOT)))
    assert set(readers) <= {"quarry/settings/environment.py", "quarry/local/stack.py"}


def test_only_composition_roots_read_settings() -> None:
    """Settings are loaded by the command line (and what it starts by name), and by what Lambda starts; nowhere else."""
    loaders = {
        module
        for module in ours()
        if module != "quarry.settings"  # which hands it on
        for source in ("quarry.settings", "quarry.settings.environment")
        for line in graph().get_import_details(importer=module, imported=source)
        if "load_settings" in line["line_contents"]
    }
    assert {module.split(".")[0] + "." + module.split(".")[1] for module in loaders} <= {
        "quarry.cli", "quarry.local", "producer.lambda_handler",
    }  # fmt: skip


def test_nothing_happens_at_import() -> None:
    """Importing everything opens no socket, starts no thread and reads no configuration."""
    modules = [name for name in ours() if not name.endswith("__main__")]
    program = (
        "import sys, threading\n"
        "def watch(event, args):\n"
        # urllib3 binds ('::1', 0) to learn whether there is IPv6.
        "    if event in ('socket.connect', 'socket.bind', 'subprocess.Popen', 'os.putenv') and args[1:] != (('::1', 0),):\n"
        "        raise SystemExit(f'{event} at import: {args}')\n"
        "sys.addaudithook(watch)\n"
        f"for name in {modules!r}:\n"
        "    __import__(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env={"PATH": ""}, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_delivery_fits_on_one_screen() -> None:
    """`worker/process.py` shows a delivery from claim to settlement in under 30 lines."""
    tree = ast.parse((ROOT / "worker" / "process.py").read_text())
    sizes = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert max(sizes.values()) < 30, sizes
    assert len((ROOT / "worker" / "process.py").read_text().splitlines()) < 80
