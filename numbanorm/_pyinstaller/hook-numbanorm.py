"""The files of the package that are no modules: C declarations, the demo's digits, kernels."""

from PyInstaller.utils.hooks import collect_data_files, collect_dynamic_libs

datas = collect_data_files("numbanorm")
binaries = collect_dynamic_libs("numbanorm")
