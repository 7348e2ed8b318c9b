"""What runs by itself: schedules, sensors and alerts."""
