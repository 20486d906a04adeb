"""Where the TRL runs of tests take place: on the processor, without a network."""

import os

ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
