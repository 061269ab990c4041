"""Brings the project to AWS or LocalStack: CloudFormation change sets, and what they need beforehand.

boto3 is imported by what uses it, when it is used: ``coatcheck up`` starts without it.
"""
