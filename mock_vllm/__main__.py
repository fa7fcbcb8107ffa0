"""`python -m mock_vllm` is `mock-vllm`."""

from mock_vllm.cli import main

main()
