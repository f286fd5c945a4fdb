"""The API's client: time and network are the tests' own."""
