"""Breaks things on purpose, and proves by the tasks' own journal that no job was lost.

plan.py       what clients will ask for, from one seed
clients.py    asks for it over HTTP, and writes down every answer as a history (history.py)
system.py     the product as real processes, with its Redis and a proxy on the way there
faults.py     what is broken when, from the same seed
journal.py    what tasks write down themselves, in a file that the product knows nothing of
checker.py    reads answers and journal, and tells which promise was broken; rules.py has the promises
run.py        one run of all this: ``python -m tests.chaos --help``
planted.py    bugs that the checker must find, each in a scenario of scenarios.py
soak.py       half an hour of it, with an eye on memory
"""
