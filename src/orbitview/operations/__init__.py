"""What can be done with pictures of an object: each operation is one file, with its request, its run and its answer.

A new one is a module here with an ``OPERATION``: :mod:`.registry` finds it, and it has its routes, its place in the
queue, progress, webhooks, metrics and its documentation like the others.
"""
