"""Makes signed CernVM-FS repositories for tests, demo and benchmarks.

Data flows through the modules in this order: sources, generate -> tree -> objects -> catalogs ->
history -> manifest; publish.py is the sequence, command.py the command line. reader.py and
tamper.py are for tests that look at a repository or spoil one.
"""
