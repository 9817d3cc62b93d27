"""The commands of ``py-paywall``, one file each: ``add`` describes it, ``run`` answers its exit code."""
