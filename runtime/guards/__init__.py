"""What a stage wrote, looked at before it is handed on."""
