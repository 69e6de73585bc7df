"""The circumstances that every record of a run contains, and how a table prints a measure."""

import math
import os
import platform
import statistics
import time


def new_record(**more):
    """To be made before anything runs: the load is what others cause."""
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processor": processor(), "load": os.getloadavg()[0], **more}


def versions(servers):
    return {server.name: server.version() for server in servers}


def processor():
    found = {"machine": platform.machine(), "cores": os.cpu_count()}
    if platform.system() == "Linux":
        for line in open("/proc/cpuinfo"):
            if line.startswith("flags"):
                return found | {"avx512": "avx512_vnni" in line.split(), "avx2": "avx2" in line.split()}
    return found


def spread(values):
    digits = 2 if statistics.median(values) < 10 else 0
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))
