# Two commands for a stranger: `make demo` and `make test`. Both make .venv if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/orbitview generate examples/rocket.jpg -o demo-output --turntable --glb --zip
	@echo
	@echo "Six views:  demo-output/grid.png"
	@echo "Turntable:  demo-output/turntable.webp  (also .mp4 and .gif)"
	@echo "Mesh:       demo-output/object.glb"
	@echo "Everything: demo-output/views.zip"

test: $(VENV)/.tested lint
	$(BIN)/python -m pytest

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,docs,training,diffusion]'
	touch $@

clean:
	rm -rf $(VENV) demo-output
