"""What runs when: the composition root, jobs, schedules, sensors, and the command line `atft`."""
