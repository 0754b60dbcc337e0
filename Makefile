# Two commands for a stranger: `make demo` and `make test`. Both make .venv if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint lowest clean

demo: $(VENV)/.installed
	$(BIN)/orbitview generate examples/rocket.jpg -o demo-output --turntable --glb --zip
	@echo
	@echo "Six views:  demo-output/grid.png"
	@echo "Turntable:  demo-output/turntable.webp  (also .mp4 and .gif)"
	@echo "Mesh:       demo-output/object.glb"
	@echo "Everything: demo-output/views.zip"

test: $(VENV)/.tested lint
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/mypy

# The oldest versions that pyproject.toml allows, each of them at once (the stand-in for S3 cannot be had beside them).
LOWEST := .venv-lowest
CORE := test_library test_generate test_cli test_outputs test_meshes test_storage test_pictures test_handling test_rest \
	test_contract test_hostile test_faults test_operations test_connections test_doors
lowest:
	test -x $(LOWEST)/bin/uv || { $(PYTHON) -m venv $(LOWEST) && $(LOWEST)/bin/pip install --quiet uv; }
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST) --resolution lowest-direct -e .
	$(LOWEST)/bin/uv pip freeze --quiet --python $(LOWEST) --exclude-editable > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST) --constraint $(LOWEST)/lowest.txt pytest pytest-timeout requests hypothesis
	$(LOWEST)/bin/python -m pytest -k 'not s3' $(addprefix tests/,$(addsuffix .py,$(CORE)))

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,docs,training,diffusion]'
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) demo-output
