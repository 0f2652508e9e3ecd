using System.CommandLine;

namespace KestrelEventLoopTransport.Benchmarks.Server;

internal static class ServerCommand
{
    public static Command Create()
    {
        var transport = new Option<string>("--transport")
        {
            Description = "Which transport carries the connections.",
            DefaultValueFactory = _ => TransportNames.EventLoop,
        };
        transport.AcceptOnlyFromAmong(TransportNames.EventLoop, TransportNames.Sockets, TransportNames.SocketsInline);

        var scheduling = new Option<ApplicationScheduling?>("--scheduling")
        {
            Description = "Which thread runs the application (eventloop only).",
        };
        var loops = new Option<int?>("--loops")
        {
            Description = "Number of event loops (eventloop only).",
        };
        var acceptMode = new Option<AcceptMode?>("--accept-mode")
        {
            Description = "Who accepts the connections (eventloop only).",
        };
        var firstPort = new Option<int>("--first-port")
        {
            Description = "Port of HTTP; HTTPS, h2c, raw echo and MQTT follow. 0: free ports.",
        };
        var upstream = new Option<string?>("--upstream")
        {
            Description = "The ready line of the server that /proxy forwards to and /client sends requests to.",
        };
        var silo = new Option<bool>("--silo")
        {
            Description = "Run an Orleans silo too, on the same transport.",
        };
        var exitWithStdin = new Option<bool>("--exit-with-stdin")
        {
            Description = "End when standard input ends.",
        };

        var command = new Command("server", "Runs the benchmark application on the loopback interface.")
        {
            transport,
            scheduling,
            loops,
            acceptMode,
            firstPort,
            upstream,
            silo,
            exitWithStdin,
        };
        command.SetAction((arguments, cancellationToken) => BenchmarkServer.RunAsync(
            new ServerSettings(
                arguments.GetValue(transport)!,
                arguments.GetValue(scheduling),
                arguments.GetValue(loops),
                arguments.GetValue(acceptMode),
                arguments.GetValue(firstPort),
                arguments.GetValue(upstream) is { } line ? ServerPorts.Parse(line) : null,
                arguments.GetValue(silo),
                arguments.GetValue(exitWithStdin)),
            cancellationToken));
        return command;
    }
}
