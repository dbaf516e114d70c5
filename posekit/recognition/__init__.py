"""Who is it: embeddings learnt by class margins or pairs, verification and identification.

A part of its own on the same engine; the rest of posekit does not need it. Its page is
``posekit/docs/recognition.md``. Importing it imports nothing.
"""
