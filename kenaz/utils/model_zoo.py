"""Files of weights from the network, under their names of old: see `hub.py`."""

from tqdm import tqdm

from ..hub import load_state_dict_from_url as load_url

__all__ = ["load_url", "tqdm"]
