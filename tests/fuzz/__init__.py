"""What is fed to everything that reads text from outside, for as long as wanted: README.md says how."""
