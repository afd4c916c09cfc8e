"""Classic and Network Load Balancers of the AWS cloud provider, which is not the AWS Load Balancer Controller."""

from etpguard.assess.consumers.families.aws_cloud_provider.family import AwsCloudProvider as AwsCloudProvider
