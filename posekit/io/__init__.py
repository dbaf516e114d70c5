"""What is read from outside, and what is written safely; knows files, not people."""
