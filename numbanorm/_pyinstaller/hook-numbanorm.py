"""The files of the package that are no modules: C declarations and the demo's digits."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("numbanorm")
