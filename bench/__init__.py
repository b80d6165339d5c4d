"""Speed, measured: `python -m bench`; against PyTorch with `--torch PYTHON`, an interpreter that has it."""
