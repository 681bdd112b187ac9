"""What ``fastff bench`` measures: the same networks trained by fastff and its peers, and the machine's own peak.

It uses fastff as its users do, by the public names; only the peak is measured with machine code of its own.
"""

from .contest import Contest, Line
from .jobs import JOBS, QUICK, Job

__all__ = ["JOBS", "QUICK", "Contest", "Job", "Line"]
