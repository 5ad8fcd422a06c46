"""The generated parts of the pages on access and audit: from the rules of the routes, the roles, and the catalogue of acts."""  # noqa: INP001 - beside a script, no package

import inspect
import re

from docs.markdown import table
from producer.auth.rules import RULES, Public
from quarry.access import BUILT_IN, PERMISSIONS
from quarry.telemetry import acts


def permissions() -> str:
    """What can be permitted, and by which calls it is asked for."""
    rows = []
    for name, meaning in PERMISSIONS.items():
        calls = ", ".join(f"`{method} {path}`" for (method, path), rule in RULES.items() if rule == name)
        rows.append((f"`{name}`", meaning, calls))
    return table(("permission", "allows to", "asked for by"), rows)


def public() -> str:
    """What is served to anybody, and why."""
    rows = [(f"`{path}`", rule.why) for (method, path), rule in RULES.items() if isinstance(rule, Public) and method != "HEAD"]
    return table(("public", "since"), rows)


def roles() -> str:
    """The built-in roles."""
    rows = [(f"`{name}`", ", ".join(f"`{each}`" for each in PERMISSIONS if each in allowed)) for name, allowed in BUILT_IN.items()]
    return table(("role", "permissions"), rows)


def act_names() -> str:
    """The acts and their fields, as the comments beside them say."""
    source = inspect.getsource(acts.Act)
    fields = dict(re.findall(r'= "([a-z_.]+)"  # (.+(?:\n    # .+)*)$', source, re.MULTILINE))
    return table(("act", "fields"), [(f"`{each.value}`", fields[each.value].replace("\n    #", "")) for each in acts.Act])
