"""placeholder being written by LEAD"""
