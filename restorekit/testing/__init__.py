"""What a task promises, tried: `check_task` for a plugin's tests, `examine` for a report.

from restorekit.testing import check_task

def test_it_keeps_the_contract():
    check_task("derain")
"""

from restorekit.testing.examination import Finding, check_task, examine
from restorekit.testing.subject import photograph

__all__ = ["Finding", "check_task", "examine", "photograph"]
