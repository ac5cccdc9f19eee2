"""A check in Python: a process called `name` runs."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log, process
from wit_world.imports.types import (
    CheckError_Denied,
    CheckError_Unavailable,
    ConfigError,
    Fact,
    Metadata,
    Observation,
    Plan,
    Trigger_ProcessExited,
    Trigger_ProcessStarted,
    Verdict,
)

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}

name = ""


class Checker(exports.Checker):
    def describe(self) -> Metadata:
        return Metadata("running-python", "1.0.0", "A process runs.", json.dumps(SCHEMA))

    def configure(self, config: str) -> Plan:
        global name
        keys = json.loads(config)
        errors = [
            ConfigError(f"/{key}", f"unknown key `{key}`") for key in keys if key != "name"
        ]
        name = keys.get("name")
        if not isinstance(name, str) or not name:
            errors.append(ConfigError("/name", "write the name of a process"))
        if errors:
            raise Err(errors)
        return Plan(
            [Trigger_ProcessStarted(name), Trigger_ProcessExited(name)], [f"process:{name}"]
        )

    def run(self, context) -> Observation:
        try:
            found = process.find(name)
        except Err as error:
            if error.value == process.Error.DENIED:
                raise Err(CheckError_Denied(f"process:{name}"))
            raise Err(CheckError_Unavailable("the process table cannot be read"))
        if not found:
            return Observation(Verdict.FAILING, f"no process named {name}", None, [])
        log.write(log.Level.DEBUG, f"run {context.run}", [("found", str(len(found)))])
        facts = [Fact("processes", str(len(found)))]
        return Observation(Verdict.PASSING, f"{name} runs as {found[0].pid}", None, facts)
