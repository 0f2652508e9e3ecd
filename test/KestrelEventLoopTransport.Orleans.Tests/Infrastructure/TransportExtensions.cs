using Orleans.Hosting;

namespace KestrelEventLoopTransport.Orleans.Tests.Infrastructure;

internal static class TransportExtensions
{
    extension(ISiloBuilder silo)
    {
        /// <summary>Orleans' own sockets for <see langword="null"/>.</summary>
        public void UseTransport(ApplicationScheduling? scheduling)
        {
            if (scheduling is { } ours)
            {
                silo.UseEventLoopTransport();
                silo.Configure<EventLoopTransportOptions>(options => Set(options, ours));
            }
        }
    }

    extension(IClientBuilder client)
    {
        /// <summary>Orleans' own sockets for <see langword="null"/>.</summary>
        public void UseTransport(ApplicationScheduling? scheduling)
        {
            if (scheduling is { } ours)
            {
                client.UseEventLoopTransport();
                client.Configure<EventLoopTransportOptions>(options => Set(options, ours));
            }
        }
    }

    private static void Set(EventLoopTransportOptions options, ApplicationScheduling scheduling)
    {
        options.EventLoopCount = 2;
        options.Scheduling = scheduling;
    }
}
