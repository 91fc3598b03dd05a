"""What a learner hands in, and what a teacher reads out of a folder of it; whether a room is ready for a class.

Knows runs, answers to lessons and adapters; must not know who types the commands.
"""
