using System.CommandLine;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Loads;
using KestrelEventLoopTransport.Benchmarks.Server;

var root = new RootCommand("Measures Kestrel's transports against each other.")
{
    ServerCommand.Create(),
    RunCommand.Create(),
    GrpcCommand.Create(),
    OrleansCommand.Create(),
    TimersCommand.Create(),
    FirstRequestsCommand.Create(),
    DatagramServerCommand.Create(),
};

return await root.Parse(args).InvokeAsync();
