"""The gamma study: does the focal weight help on your data, and which gamma? Importing it imports nothing."""
