"""Terraform, run on a copy of a root, against an emulator."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.processes import ROOT

_TERRAFORM: Final = ROOT / ".ci" / "terraform"


class TerraformMissing(AssertionError):
    """There is no Terraform, or no provider; the message says what to do."""


class TerraformFailed(AssertionError):
    """A command of it failed; the message is the end of what it said."""


class Root:
    """A copy of one root, with a state of its own. The whole of `terraform/` is copied, since roots name their modules by path."""

    def __init__(self, source: Path, example: str, directory: Path, env: Mapping[str, str]) -> None:
        """`example` is the root's place within `source`; `env` has the emulator's endpoints."""
        shutil.copytree(source, directory, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self.directory = directory / example
        cleared = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self._env = cleared | {
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            **env,
        }
        #: How long each command took, in seconds.
        self.seconds: dict[str, float] = {}

    def init(self) -> None:
        """Find provider and modules.

        Raises:
            TerraformMissing: Terraform, or its provider, is not there.
        """
        try:
            self._run("init", "-no-color")
        except TerraformFailed as error:
            raise TerraformMissing(str(error)) from error

    def apply(self, *options: str, **variables: Any) -> None:
        """Make everything; the variables hold until the next apply."""
        (self.directory / "test.auto.tfvars.json").write_text(json.dumps(variables))
        self._run("apply", *options, "-auto-approve", "-no-color")

    def plan(self) -> dict[str, Any]:
        """What another apply would do, as `terraform show -json` has it."""
        self._run("plan", "-no-color", "-out=again.tfplan")
        shown: dict[str, Any] = json.loads(self._run("show", "-json", "again.tfplan"))
        return shown

    def destroy(self) -> None:
        """Remove everything."""
        self._run("destroy", "-auto-approve", "-no-color")

    def outputs(self) -> dict[str, Any]:
        """The root's outputs."""
        return {name: each["value"] for name, each in json.loads(self._run("output", "-json")).items()}

    def resources(self) -> list[str]:
        """The addresses in the state, data sources left out."""
        listed = self._run("state", "list").split()
        return [each for each in listed if ".data." not in f".{each}"]

    def values(self, kind: str) -> list[dict[str, Any]]:
        """What the state has of each resource of a type, modules included."""
        modules = [json.loads(self._run("show", "-json"))["values"]["root_module"]]
        found = []
        for module in modules:
            found += [each["values"] for each in module.get("resources", []) if each["type"] == kind]
            modules += module.get("child_modules", [])
        return found

    def version(self) -> str:
        """Of Terraform and of the provider."""
        told = json.loads(self._run("version", "-json"))
        providers = ", ".join(f"{name.rpartition('/')[2]} {version}" for name, version in told["provider_selections"].items())
        return f"Terraform {told['terraform_version']}, provider {providers}"

    def _run(self, command: str, *arguments: str) -> str:
        began = time.monotonic()
        try:
            done = subprocess.run(
                [str(_TERRAFORM), command, *arguments],
                cwd=self.directory, env=self._env, capture_output=True, text=True, timeout=600, check=False,
            )  # fmt: skip
        finally:
            self.seconds[command] = time.monotonic() - began
        if done.returncode:
            raise TerraformFailed(f"terraform {command}: {done.stderr[-4000:]}")
        return done.stdout
