"""The settings of the operator and of the commands, from flags, environment variables and defaults."""

from etpguard.settings.declaration import Option, Settings, SettingsError, options
from etpguard.settings.parsing import parse
from etpguard.settings.values import Address

__all__ = ["Address", "Option", "Settings", "SettingsError", "options", "parse"]
