@echo off
rem device.cmd: finds Python 3 and runs tests/device.py, which tests clkv on the OpenCL devices of this machine.
rem SPDX-License-Identifier: Apache-2.0
setlocal
py -3 --version >nul 2>nul
if not errorlevel 1 goto launcher
python --version >nul 2>nul
if not errorlevel 1 goto python
echo tests\device.cmd: there is no Python 3. Install it from https://www.python.org, or in MSYS2 by pacman. 1>&2
exit /b 2
:launcher
py -3 "%~dp0device.py" %*
exit /b %errorlevel%
:python
python "%~dp0device.py" %*
exit /b %errorlevel%
