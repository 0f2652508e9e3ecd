using Microsoft.AspNetCore.SignalR.Client;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>A client that comes back as soon as it can, until the test ends.</summary>
internal sealed class RetryAtOnce : IRetryPolicy
{
    public TimeSpan? NextRetryDelay(RetryContext retryContext)
        => TimeSpan.FromMilliseconds(retryContext.PreviousRetryCount == 0 ? 0 : 50);
}
