"""The doctor: finds every inconsistency in a namespace of Redis, and mends it when asked.

Reading changes nothing. A live system changes while it is read, so each finding is seen at least twice, each
time in one transaction. Not for the functions: a cold start must not import it.
"""

from coatcheck.doctor.findings import KINDS, Finding
from coatcheck.doctor.reading import examine
from coatcheck.doctor.repair import Repair, repair

__all__ = ["KINDS", "Finding", "Repair", "examine", "repair"]
