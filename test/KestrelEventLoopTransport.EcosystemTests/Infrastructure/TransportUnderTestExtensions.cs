using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

internal static class TransportUnderTestExtensions
{
    extension(TransportUnderTest transport)
    {
        /// <summary>Whether it is Kestrel's own.</summary>
        public bool IsStock => transport == TransportUnderTest.Sockets;

        /// <summary>How ours runs the application; nothing that counts if it is Kestrel's own.</summary>
        public ApplicationScheduling Scheduling => transport switch
        {
            TransportUnderTest.ThreadPool => ApplicationScheduling.ThreadPool,
            TransportUnderTest.Inline => ApplicationScheduling.Inline,
            _ => ApplicationScheduling.Adaptive,
        };

        /// <summary>
        /// Puts a host that a test builds by itself on the transport. A <c>TestServer</c> takes the two properties.
        /// </summary>
        public IWebHostBuilder Use(IWebHostBuilder host) => transport.IsStock
            ? host.UseSockets()
            : host.UseEventLoopTransport(options =>
            {
                options.EventLoopCount = 2;
                options.Scheduling = transport.Scheduling;
            });
    }
}
