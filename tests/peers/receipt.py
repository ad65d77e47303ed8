"""What in-toto's own library makes of a receipt: reads it from standard input, prints what it found there as JSON."""

import json
import sys

from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

# Unknown fields are errors.
message = json_format.Parse(sys.stdin.read(), StatementMessage())
Statement.copy_from_pb(message).validate()
subjects = {subject.name: dict(subject.digest) for subject in message.subject}
print(json.dumps({"predicateType": message.predicate_type, "subjects": subjects}))
