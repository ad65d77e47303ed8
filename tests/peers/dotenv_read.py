"""python-dotenv's reading of `.env` files.

Reads a JSON list of files, each as base64; answers with a JSON list of what each says: names with their values.
"""

import base64
import io
import json
import sys

from dotenv import dotenv_values

texts = [base64.b64decode(file).decode() for file in json.load(sys.stdin)]
# As python-dotenv opens files: it leaves line breaks as they are.
print(json.dumps([dotenv_values(stream=io.StringIO(text, newline="")) for text in texts]))
