"""What `terraform/` says of the code, held to the code and to itself: nothing here needs Terraform."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from docs import settings, terraform
from quarry.provision import MAX_RECEIVE_COUNT, RETENTION_SECONDS
from quarry.telemetry.events import Event
from tests.support.processes import ROOT

FOLDER = ROOT / "terraform"
FILES = sorted(path for path in FOLDER.rglob("*.tf") if ".terraform" not in path.parts)
RUNBOOKS = ROOT / "docs" / "runbooks"
#: For a younger provider.
NOT_RUN = FOLDER / "examples" / "blue-green"
#: A module's own folder; `producer_service` has two inside, which nobody calls but it.
MODULES = [FOLDER, *sorted(path for path in (FOLDER / "modules").iterdir() if path.is_dir())]
SETTINGS = {settings.variable(prefix, name) for _, prefix, fields in settings.groups() for name, _ in fields}


#: A run of `terraform test` that expects a refusal: its name, what is said, in which module, of which variable or resource.
_REFUSAL = re.compile(
    r'^run "(refuses_\w+)" \{\n  # Says: ([^\n]+)\n(?:(?!^\}).)*?(?:source = "\./([\w/]+)"(?:(?!^\}).)*?)?'
    r"expect_failures = \[([\w.]+)\]",
    re.MULTILINE | re.DOTALL,
)
REFUSALS = [found for path in sorted(FOLDER.glob("tests/*.tftest.hcl")) for found in _REFUSAL.findall(path.read_text())]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(path: Path) -> str:
    """A file without its comments and descriptions."""
    return re.sub(r"^\s*#.*$|^\s*description\s*=.*$", "", path.read_text(), flags=re.MULTILINE)


def named_settings() -> Iterator[tuple[str, str]]:
    for path in [*FILES, *FOLDER.rglob("*.tftest.hcl")]:
        for name in re.findall(r"QUARRY_\w+", path.read_text()):
            yield name_of(path), name


def alarms() -> set[str]:
    """The runbooks that alarms lead to."""
    text = "".join((FOLDER / "modules/observability" / name).read_text() for name in ("alarms.tf", "measured.tf"))
    counted = re.findall(r'^    "([a-z-]+)"\s*= \{ component', (FOLDER / "modules/observability/main.tf").read_text(), re.MULTILINE)
    assert counted
    return {*re.findall(r'runbook\s*= "([a-z-]+)"', text), *re.findall(r"runbooks_url\}/([a-z-]+)\.md", text), *counted}


def alerts() -> set[str]:
    """The runbooks that Prometheus's alerts lead to; each says so."""
    groups = yaml.safe_load((ROOT / "docker/compose/prometheus/alerts.yml").read_text())["groups"]
    return {Path(rule["annotations"]["runbook"]).relative_to("docs/runbooks").stem for group in groups for rule in group["rules"]}


def test_every_setting_that_is_named_exists() -> None:
    """A misspelt variable would stop the container at its start, or be read by nobody."""
    assert sorted({(path, name) for path, name in named_settings() if name not in SETTINGS}) == []
    assert len(SETTINGS) > 50


def test_every_event_that_is_counted_exists() -> None:
    """An alarm on an event that nobody logs never rings."""
    text = (FOLDER / "modules/observability/main.tf").read_text()
    counted = {event for row in re.findall(r"events = \[(.+)\]", text) for event in re.findall(r'"([a-z_.]+)"', row)}
    assert counted
    assert counted - set(Event) == set()


def test_every_alarm_has_its_runbook_and_every_runbook_its_alarm() -> None:
    """Whoever is woken finds the page; a page without an alarm is read by nobody. Of Prometheus's alerts, too."""
    assert alarms() | alerts() == {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}


def test_the_runbooks_list_is_complete() -> None:
    """The table has every page."""
    listed = set(re.findall(r"^\| \[([a-z-]+)\]\(\1\.md\)", (RUNBOOKS / "README.md").read_text(), re.MULTILINE))
    assert listed == alarms() | alerts()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_its_five_files(path: Path) -> None:
    """Who knows one knows where to look in another."""
    assert {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"} - {each.name for each in path.iterdir()} == set()


@pytest.mark.parametrize("path", [*FILES, *sorted(FOLDER.glob("tests/**/*.hcl"))], ids=name_of)
def test_no_file_is_long(path: Path) -> None:
    """A module is one noun, on a few screens."""
    assert len(path.read_text().splitlines()) <= 200


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_input_and_output_is_described(path: Path) -> None:
    """Terraform asks for what is missing by its description."""
    found = re.findall(r'^(?:variable|output) "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL)
    assert [name for name, body in found if "  description = " not in body] == []


def test_versions_are_the_same_everywhere() -> None:
    """A root gets one provider for all of its modules."""
    files = [path for path in FOLDER.rglob("versions.tf") if path.parent != NOT_RUN]
    found = {"".join(re.findall(r"required_version.*|  version.*", path.read_text())) for path in files}
    assert len({re.sub(r"[\s\"=]|\.0\b", "", each) for each in found}) == 1


def test_ten_lines_deploy_it() -> None:
    """As the page on deploying says: what is there for an emulated AWS is not needed."""
    text = (FOLDER / "examples/minimal/main.tf").read_text().partition("  # For an emulated AWS only")[0] + "}\n"
    assert len([line for line in text.splitlines() if line.strip()]) <= 10
    assert text.count("{") == text.count("}")


def test_what_is_not_run_says_so() -> None:
    """It needs another provider than the rest: no check sees more of it than its format, and nobody is to think otherwise."""
    assert "NOT RUN" in (NOT_RUN / "README.md").read_text().splitlines()[0]
    assert "NOT RUN" in (NOT_RUN / "main.tf").read_text().splitlines()[0]
    assert "-not -path './examples/blue-green/*'" in (ROOT / ".ci" / "check-terraform").read_text()
    uses = [name_of(path) for path in [*FILES, *FOLDER.rglob("*.hcl")] if NOT_RUN.name in code(path) and path.parent != NOT_RUN]
    assert uses == []


def test_modules_know_no_emulator() -> None:
    """What an emulated AWS needs is said by the examples."""
    words = re.compile(r"ministack|skip_credentials|s3_use_path_style|endpoints *\{|var\.emulated")
    assert [name_of(path) for path in FILES if "examples" not in path.parts and words.search(code(path))] == []


#: What AWS takes: the service models of EC2 (AuthorizeSecurityGroupIngress) and WAFV2 (EntityDescription) in botocore 1.43.117.
DESCRIPTIONS = {
    r"aws_security_group|aws_vpc_security_group_\w+_rule": re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}"),
    r"aws_wafv2_\w+": re.compile(r"[\w+=:#@/\-,.][\w+=:#@/\-,.\s]+[\w+=:#@/\-,.]", re.ASCII),
}


def test_descriptions_have_characters_that_aws_takes() -> None:
    """Terraform passes them on: an apostrophe is refused by AWS in the middle of an apply, and by no plan."""
    seen, refused = 0, []
    for kind, taken in DESCRIPTIONS.items():
        for path in FILES:
            for name, body in re.findall(
                rf'^resource "(?:{kind})" "(\w+)" \{{\n(.*?)^\}}', path.read_text(), re.MULTILINE | re.DOTALL
            ):
                for text in re.findall(r'^  description += "(.*)"$', body, re.MULTILINE):
                    seen += 1
                    refused += [] if taken.fullmatch(re.sub(r"\$\{[^}]*\}", "name", text)) else [(name_of(path), name, text)]
    assert refused == []
    assert seen > 10


#: What roles may be given of each kind.
GRANTED = {
    "guardrail_arns": "arn:aws:bedrock:us-east-1:123456789012:guardrail/a1b2c3d4e5f6",
    "endpoint_arns": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-endpoint",
    "secret_arns": "arn:aws:secretsmanager:us-east-1:123456789012:secret:quarry/key-AbCdEf",
    "provider_secret_arns": "arn:aws:secretsmanager:us-east-1:123456789012:secret:quarry/key-AbCdEf",
    "kms_key_arns": "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
    "secret_key_arns": "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
    "repository_arns": "arn:aws:ecr:us-east-1:123456789012:repository/team/quarry-worker",
}


@pytest.mark.parametrize("name", GRANTED)
def test_no_role_is_given_a_wildcard(name: str) -> None:
    """One that slips into an input would open everything of its kind in the account."""
    text = (FOLDER / "modules/roles/variables.tf").read_text()
    [body] = re.findall(rf'^variable "{name}" \{{\n(.*?)^\}}', text, re.MULTILINE | re.DOTALL)
    [shape] = re.findall(rf'alltrue\(\[for arn in var.{name} : can\(regex\("(.*)", arn\)\)\]\)', body)
    whole = re.split(r"[/:](?!.*[/:])", GRANTED[name])[0]
    assert re.search(shape, GRANTED[name])
    assert not [bad for bad in ("*", f"{whole}/*", f"{whole}:*", GRANTED[name][:-2] + "*") if re.search(shape, bad)]


#: What nobody may use before something else is there, or after it is gone, though no reference says so.
NEEDS = {
    ("modules/roles/outputs.tf", 'output "worker_role_arn"'): {"aws_iam_role_policy.worker"},
    ("modules/roles/outputs.tf", 'output "producer_role_arn"'): {"aws_iam_role_policy.producer"},
    ("modules/roles/outputs.tf", 'output "execution_role_arn"'): {"aws_iam_role_policy.execution"},
    ("modules/network/outputs.tf", 'output "private_subnet_ids"'): {
        "aws_route_table_association.private",
        "aws_vpc_endpoint.gateway",
        "aws_vpc_endpoint.interface",
        "aws_vpc_security_group_ingress_rule.endpoints",
    },
    ("modules/network/outputs.tf", 'output "public_subnet_ids"'): {"aws_route.internet", "aws_route_table_association.public"},
    ("modules/worker_service/main.tf", 'resource "aws_ecs_service" "worker"'): {"aws_vpc_security_group_egress_rule.https"},
    ("modules/producer_service/ecs/main.tf", 'resource "aws_ecs_service" "producer"'): {
        "aws_lb_listener.https",
        "aws_lb_listener.http",
        "aws_vpc_security_group_egress_rule.https",
        "aws_vpc_security_group_egress_rule.to_tasks",
        "aws_vpc_security_group_ingress_rule.from_load_balancer",
    },
}


@pytest.mark.parametrize(("path", "head"), NEEDS, ids=str)
def test_nothing_runs_before_what_it_needs(path: str, head: str) -> None:
    """Terraform makes in any order what is not tied together, and destroys likewise: a worker would drain without its permissions.
    Neither a plan nor an emulated AWS shows it.
    """
    [body] = re.findall(rf"^{re.escape(head)} \{{\n(.*?)^\}}", (FOLDER / path).read_text(), re.MULTILINE | re.DOTALL)
    [listed] = re.findall(r"depends_on = \[(.*?)\]", body, re.DOTALL) or [""]
    assert {name.strip() for name in listed.split(",") if name.strip()} == NEEDS[path, head]


def test_the_numbers_of_the_queues_are_those_of_the_code() -> None:
    """Terraform cannot import them. That the queues come out alike is shown at an emulated AWS, in `tests/e2e/terraform`."""
    text = (FOLDER / "modules/queues/main.tf").read_text()
    assert f"max_receive_count = {MAX_RECEIVE_COUNT}\n" in text
    assert RETENTION_SECONDS == 14 * 24 * 60 * 60
    assert "retention_seconds = 14 * 24 * 60 * 60\n" in text


def test_tables_are_of_the_modules() -> None:
    """A README that has tables has a row for each input and output: else the page was not made for this module."""
    for path, text in terraform.pages():
        if "<!-- inputs -->" in text:
            declared = {
                name
                for file in path.parent.glob("*.tf")
                for name in re.findall(r'^(?:variable|output) "(\w+)"', file.read_text(), re.MULTILINE)
            }
            assert declared - set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set()


def test_every_refusal_is_looked_at() -> None:
    """A run that expects a refusal says which reason, or the test below would not see it."""
    named = [
        name
        for path in FOLDER.glob("tests/*.tftest.hcl")
        for name in re.findall(r'^run "(refuses_\w+)"', path.read_text(), re.MULTILINE)
    ]
    assert sorted(name for name, *_ in REFUSALS) == sorted(named)
    assert named


def without_numbers(text: str) -> str:
    """What Terraform puts in is a number, or a name at the end."""
    return re.sub(r"\$\{[^}]*\}|\d+", "N", text.replace('\\"', '"'))


@pytest.mark.parametrize(("name", "says", "module", "blamed"), REFUSALS, ids=[name for name, *_ in REFUSALS])
def test_a_refusal_has_its_reason(name: str, says: str, module: str, blamed: str) -> None:
    """`terraform test` shows that a plan is refused, and by which input; here, that the input's message has the reason."""
    kind, _, thing = blamed.partition(".")
    head = f'variable "{thing}"' if kind == "var" else f'resource "{kind}" "{thing}"'
    text = "\n".join(path.read_text() for path in (FOLDER / module).glob("*.tf"))
    [body] = re.findall(rf"^{re.escape(head)} \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    messages = [without_numbers(message) for message in re.findall(r'error_message = "(.*)"$', body, re.MULTILINE)]
    assert [message for message in messages if without_numbers(says) in message] != []
