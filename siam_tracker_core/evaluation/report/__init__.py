"""Reports of an evaluation: HTML pages, their plots and the values behind them."""
