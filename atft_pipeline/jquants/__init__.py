"""J-Quants V2: its endpoints, the types on the wire, and the sources that speak it."""
