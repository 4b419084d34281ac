"""x"""
def write_report(plan, folder, with_scans): return None
