"""J-Quants over the network: the V2 client, the account's limits, what was received, and what is still to be asked."""
