"""Which processor this is: told by Linux, and by no other program where Linux tells."""

import platform

import pytest

from numbanorm.threads import processor

FACTS = [
    {"vendor_id": "AuthenticAMD", "cpu family": "26", "model": "2"},
    {"vendor_id": "AuthenticAMD", "cpu family": "26", "model": "68"},
    {"CPU implementer": "0x41", "CPU part": "0xd0c"},
    {"CPU implementer": "0x41", "CPU part": "0xd40"},
]


def test_names_differ_as_processors_do(monkeypatch):
    monkeypatch.setattr(platform, "processor", lambda: pytest.fail("it was asked for"))
    names = set()
    for facts in FACTS:
        monkeypatch.setattr(processor, "facts", lambda facts=facts: facts)
        assert processor.name() == processor.name()
        names.add(processor.name())
    assert len(names) == len(FACTS)


def test_elsewhere_python_is_asked(monkeypatch):
    monkeypatch.setattr(processor, "facts", dict)
    names = set()
    for model in ("arm", "i386"):
        monkeypatch.setattr(platform, "processor", lambda model=model: model)
        names.add(processor.name())
    assert len(names) == 2
