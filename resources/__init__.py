"""Everything outside the process: settings, market data, the lake, MLflow, the compute device, the console."""
