"""The web pages, driven in headless Chromium as a person would."""
