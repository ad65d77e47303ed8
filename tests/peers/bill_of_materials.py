"""Reads a bill of materials from standard input, and fails where CycloneDX's own schema does not describe it."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

wrong = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())
sys.exit(wrong and str(wrong))
