"""What every other room may import, and what imports none of them.

errors.py          wrong values and failures, and the checks that raise them
trust.py           what may be imported, and from where
namespace.py       the switch: a package's name becomes the layers that a model is built from
form.py            the switch between the forms of the ops: plain, scratch, compiled
seeding.py         independent seeds from a few integers
threads.py         how many threads compute
signals.py         signals that ask a program to end, and its exit status
streams.py         standard streams that nothing ends a run through
files.py           files that are written whole or not at all, and figures
distributed.py     several processes: who is the first, means and lists over all of them
sharding.py        weights shared out to several processes (FSDP)
results.py         what self.log keeps is not moved in every step
"""
